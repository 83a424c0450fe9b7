module trainyard.invalid/tools/actionlint

go 1.26.2

require github.com/rhysd/actionlint v1.7.12
