#!/bin/sh
# Get a sandbox: bubblewrap where it is or can be installed, else the sandlock wheel, else say how.
set -u
bin=$1
command -v bwrap >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing bubblewrap (the sandbox)" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bubblewrap; } \
        >/dev/null 2>&1
    command -v bwrap >/dev/null 2>&1 && exit 0
fi
"$bin/python" -c 'import sandlock' 2>/dev/null && exit 0
echo "bubblewrap is not installed; taking the sandlock wheel instead" >&2
"$bin/pip" install -q 'sandlock>=0.9' && exit 0
echo "no sandbox could be installed; as root: apt-get install bubblewrap" >&2
exit 3
