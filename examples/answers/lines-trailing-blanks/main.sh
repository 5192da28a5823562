#!/bin/bash
printf 'a b   \n  c\t\n\n\n'
