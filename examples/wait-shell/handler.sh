#!/bin/sh
# Works off a queue: each line that somebody writes into the FIFO is a job, and they are done one after the other.
#
# Standard input is the FIFO, and so is standard output: what is said there would be a job again, so it goes to standard
# error. The FIFO has no end, since tinetd holds it too; when no job has come for `idle_timeout`, tinetd ends this.

done=0
while read -r job; do
  done=$((done + 1)) # here the work would be done
  echo "job $done: $job" >&2
done
