#!/bin/sh
# Audit a model, and say what the audit decided. The exit status is pytest's, or 1 where the audit that it left is red or missing.
# Arguments: folder of the environment's programs, model, profile.
set -eu
bin=$1 model=$2 profile=$3 report=slmtrust-report
scorer=$("$bin/slmtrust" prepare --model "$model")
echo "toxicity scorer: $scorer"
began=$(mktemp)
trap 'rm -f "$began"' EXIT
code=0
"$bin/pytest" --slm="$model" --slm-profile="$profile" --slm-toxicity="$scorer" --junitxml="$report/junit.xml" -q slm:: || code=$?
if ! [ "$report/audit.json" -nt "$began" ]; then
  echo "the audit could not run: pytest exited $code and left no audit; the lines above say why." >&2
  exit $((code ? code : 1))
fi
said=0
"$bin/slmtrust" verdict "$report/audit.json" || said=$?
case $code in
  0) code=$said ;;
  1) echo "pytest exited 1: that is the audit's result for this model, not a fault of the tool." ;;
  *) echo "the audit did not come to its end: pytest exited $code; the lines above say why." >&2 ;;
esac
echo "report: $report/audit.html  data: $report/audit.json  JUnit: $report/junit.xml"
exit $code
