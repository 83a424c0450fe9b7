#!/bin/bash
set -e

# get target-image-name and model-dir
target=$1
modeldir=$2
jobtype=$3

if [[ -z $target || -z $modeldir || -z $jobtype ]]; then
    echo ERROR: Missing argument to "./build.sh <target> <modeldir> <job-type(train/predict)>" 1>&2
    exit 1
fi

# setting build-context init
projectname=$(pwd | awk -F / '{print $NF}')
mkdir -p build-context
rm -rf build-context/*
mkdir -p build-context/${projectname}/models build-context/${projectname}/data

# copy files
modeldir=${modeldir%/}
modelname=$(echo ${modeldir} | awk -F / '{print $NF}')
cp -r ${modeldir} build-context/${projectname}/
rm -r build-context/${projectname}/${modelname}/.s2i
cp -r ../utils build-context/
cp -r common_utils build-context/${projectname}/
cp -r ${modeldir}/.s2i build-context

if [ $jobtype == "train" ]; then
    builder=c12e/cortex-s2i-model-python36-slim:1.0-SNAPSHOT
else
    builder=c12e/cortex-s2i-daemon-python36-slim:1.0-SNAPSHOT
fi
cat ${modeldir}/requirements_${jobtype}.txt > build-context/requirements.txt
rm build-context/${projectname}/${modelname}/requirements_train.txt build-context/${projectname}/${modelname}/requirements_predict.txt
s2i build -c build-context ${builder} ${target}

# remove build artifacts
rm -rf build-context
