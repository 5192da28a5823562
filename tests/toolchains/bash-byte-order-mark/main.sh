#!/usr/bin/env bash
source lib.sh
echo hi
