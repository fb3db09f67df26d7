#!/usr/bin/env bash
# Regenerates limosa_idl. grpcio-tools is old on purpose: its output loads on protobuf 4.25 and on every newer one.
set -euo pipefail
cd "$(dirname "$0")"
venv="${PROTO_VENV:-$PWD/../.venv-proto}"
pins=(grpcio-tools==1.62.3 mypy-protobuf==3.6.0 "setuptools<80")
if ! "$venv/bin/python" -c "import grpc_tools" 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q "${pins[@]}"
fi
find limosa_idl -name '*_pb2*' -delete
mapfile -t files < <(find limosa_idl -name '*.proto' | sort)
PATH="$venv/bin:$PATH" "$venv/bin/python" -m grpc_tools.protoc -I . \
  --python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. "${files[@]}"
# A file without services gets an empty service module: nothing imports it.
for file in $(find limosa_idl -name '*_pb2_grpc.py'); do
  grep -q '^class ' "$file" || rm -f "$file" "${file}i"
done
