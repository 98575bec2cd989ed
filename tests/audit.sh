#!/bin/sh
# Audit a model and say what pytest's exit code means. Arguments: folder of the environment's programs, model, profile.
set -eu
bin=$1 model=$2 profile=$3
scorer=$("$bin/slmtrust" prepare --model "$model")
echo "toxicity scorer: $scorer"
code=0
"$bin/pytest" --slm="$model" --slm-profile="$profile" --slm-toxicity="$scorer" --junitxml=slmtrust-report/junit.xml -q slm:: || code=$?
case $code in
  0) echo "audit done: every blocking gate passes." ;;
  1) echo "audit done: pytest exited 1 because gates are red. That is the audit's result for this model, not a fault of the tool." ;;
  *) echo "the audit could not run: pytest exited $code; the lines above say why." >&2; exit "$code" ;;
esac
echo "report: slmtrust-report/audit.html  data: slmtrust-report/audit.json  JUnit: slmtrust-report/junit.xml"
