#!/bin/bash
echo "yes No MAYBE"
