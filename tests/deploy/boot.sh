#!/bin/sh
# Start systemd as process 1 of namespaces of its own, over copies of what its units would change.
# Arguments: the checkout, the prefix of its Python, an empty folder.
set -eu
checkout=$1 prefix=$2 folder=$3

cp -a /etc "$folder/etc"
rm -rf "$folder/etc/systemd/system"
mkdir -p "$folder/etc/systemd/system" "$folder/opt/checkout" "$folder/opt/devin-warehouse/bin"
# no other unit of this machine is known, and these want nothing
for target in basic default network-online shutdown sysinit timers; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$folder/etc/systemd/system/$target.target"
done
# systemd forgets how the last run of a unit ended that no other one names
echo 'After=devin-warehouse-load.service devin-warehouse-refresh.service' \
    >>"$folder/etc/systemd/system/default.target"

# both may lie where services cannot look
mkdir "$folder/opt/python"
mount --bind "$checkout" "$folder/opt/checkout"
mount --bind "$prefix" "$folder/opt/python"
cat >"$folder/opt/devin-warehouse/bin/python" <<'EOF'
#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib
export PYTHONPATH="/opt/checkout/pipelines:$(echo /opt/checkout/.venv/lib/python3*/site-packages)"
exec /opt/python/bin/python3 "$@"
EOF
cat >"$folder/opt/devin-warehouse/bin/devin-warehouse" <<'EOF'
#!/bin/sh
exec /opt/devin-warehouse/bin/python -c 'from devin_warehouse.cli import main; main()' "$@"
EOF
chmod 755 "$folder"/opt/devin-warehouse/bin/*
mount --rbind "$folder/opt" /opt
mount --bind "$folder/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var
mkdir -p /var/lib /var/log
mkdir -m 1777 /var/tmp
ln -s /run /var/run

SYSTEMD_UNIT_PATH=/etc/systemd/system container=test exec /usr/lib/systemd/systemd \
    --system --log-target=console --log-level=warning --show-status=no </dev/null
