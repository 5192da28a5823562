#!/bin/bash
# Tries: to double a string for ever. Stopped by: the container's memory.
if [[ ${1-} != calm ]]; then
    text=xxxxxxxxxxxxxxxx
    while :; do text=$text$text; done
fi
echo calm
