#!/bin/bash
# build.sh <container> <model dir> <train|predict>

target=$1
model=$2
role=$3
project=$(basename "$PWD")

rm -rf build-context
mkdir -p "build-context/${project}"
cp -r ../utils build-context/utils
cp -r common_utils "build-context/${project}/common_utils"
cp -r "${model}" "build-context/${project}/${model}"
cp -r "${model}/.s2i" build-context/.s2i
cp "${model}/requirements_${role}.txt" build-context/requirements.txt
if [[ -f "${model}/setup.sh" ]]; then
  cp "${model}/setup.sh" build-context/setup.sh
fi

if [[ "${role}" == 'train' ]]; then
  echo "building ${target} from ${model}"
  s2i build -c build-context c12e/cortex-s2i-model-python36-slim:1.0.0 "${target}"
elif [[ "${role}" == 'predict' ]]; then
  echo "building ${target} from ${model}"
  s2i build -c build-context c12e/cortex-s2i-daemon-python36-slim:1.0.0 "${target}"
fi

rm -rf build-context
