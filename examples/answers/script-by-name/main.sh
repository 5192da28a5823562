#!/bin/bash
read -r name
echo "Hello, $name!"
