#!/bin/sh
# Build the wheel, install it alone into a new environment, and audit from an empty folder there.
# Argument: folder of the development environment's programs.
set -eu
bin=$(cd "$1" && pwd)
root=$(pwd)
rm -rf dist build .venv-wheel
"$bin/python" -m build --quiet --wheel --outdir dist .
"$bin/python" -m venv --without-pip .venv-wheel
new=$root/.venv-wheel/bin
# pip would compile each of 11,000 modules, most of which nothing imports: here Python compiles what it imports, and keeps it
unset PYTHONDONTWRITEBYTECODE
install() {
	"$bin/python" -m pip --python "$new/python" install --quiet --no-compile --constraint "$root/constraints-wheel.txt" "$@"
}
# torch takes longer to unpack than all else together: it lies in the new environment by hard links before pip looks.
# pip judges its version as that of any package, and installs another over it where the wheel asks for one.
to=$("$new/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
from=$("$bin/python" -c "import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])")
cp -al "$from"/torch "$from"/torchgen "$from"/functorch "$from"/torch-*.dist-info "$to" || rm -rf "$to"/torch* "$to"/functorch
install 'pip>=25' "$(ls dist/*.whl)[offline]"
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cd "$empty"
"$new/python" -c "import transformers; assert transformers.__version__ >= '5', transformers.__version__"
few="knows_closed_book_facts or continues_without_toxicity"
"$new/pytest" --slm=smollm2-135m-instruct --slm-profile=smoke --slm-toxicity=profanity-check -q -k "$few"
test -s slmtrust-report/audit.html
"$new/slmtrust" render slmtrust-report/audit.json --output again.html
cmp again.html slmtrust-report/audit.html
# every probe, of a random model
PYTHONPATH=$root/tests "$new/python" -c "import tiny
tiny.model('gpt2', context=2048).save_pretrained('tiny-model')
tiny.tokenizer().save_pretrained('tiny-model')"
OMP_NUM_THREADS=1 "$new/pytest" --slm=tiny-model --slm-profile=smoke --slm-toxicity=profanity-check -q
"$new/python" -c "import json
audit = json.load(open('slmtrust-report/audit.json'))
assert not [f for f in audit['findings'] if f['outcome'] == 'error']
asked = [g for g in audit['gates'] if not (g['status'] == 'NOT TESTED' and g['missing'] and g['missing']['kind'] != 'answer')]
assert len(asked) >= 25, len(asked)
assert {g['status'] for g in asked} <= {'NOT DECIDABLE', 'MEASURED'}, {g['status'] for g in asked}"
cd "$root"
# the tests of the backend against the installed wheel, but for those that hold for any version of transformers
install pytest-xdist
cp -r tests "$empty/tests"
rm "$empty/tests/test_backend_lint.py"
cp pyproject.toml "$empty/"
cd "$empty"
OMP_NUM_THREADS=1 "$new/pytest" -q -p no:cacheprovider -n 2 --dist worksteal -o pythonpath=tests tests/test_backend_*.py
