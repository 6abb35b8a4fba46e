#!/usr/bin/env bash
# A one-node SLURM cluster on this machine (loopback only), and the workflow through it: see check.py.
# As root, without systemd; Debian's packages are installed where they are missing. All that it starts, it stops.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" != 0 ]; then
    echo "tests/slurm/run.sh needs root, to install SLURM and to run its daemons: skipped"
    exit 0
fi
if ! command -v slurmctld slurmd munged > /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge > /dev/null
fi
if [ -e /etc/slurm/slurm.conf ] || [ -e /etc/slurm/gres.conf ]; then
    echo "there is a SLURM configuration in /etc/slurm, which this test doesn't touch: move it away to run the test" >&2
    exit 1
fi

STATE="$(mktemp -d /tmp/dynseg-slurm.XXXXXX)"
HOST="$(hostname -s)"
PYTHON="$PWD/.venv/bin/python"

stop() {
    # Jobs first: their steps outlive the daemons.
    timeout 20 scancel --user="$(id -un)" 2> /dev/null || true
    for _ in $(seq 40); do
        [ -n "$(timeout 20 squeue --noheader 2> /dev/null)" ] || break
        sleep 0.5
    done
    # Each pid is in the file that its daemon wrote.
    for daemon in slurmctld slurmd munged; do
        pid="$(cat "$STATE/$daemon.pid" 2> /dev/null || true)"
        [ -n "$pid" ] || continue
        kill "$pid" 2> /dev/null || true
        for _ in $(seq 50); do
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.1
        done
    done
    rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
    rm -rf "$STATE"
}
trap stop EXIT
trap 'exit 130' INT TERM

mkdir -p "$STATE"/{controller,node,jobs} /etc/slurm
chmod 755 "$STATE"
read -r CONTROLLER_PORT NODE_PORT < <("$PYTHON" -c '
import socket
found = [socket.socket() for _ in range(2)]
for each in found:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in found))')
# The processors and their topology as slurmd itself sees them; memory is no matter here, so there is enough for all.
TOPOLOGY="$(slurmd -C | sed -n 's/^NodeName=[^ ]* \(CPUs=.*\) RealMemory=.*/\1/p')"
cat > "$STATE/slurm.conf" <<CONFIGURATION
ClusterName=dynseg
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$CONTROLLER_PORT
SlurmdPort=$NODE_PORT
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
StateSaveLocation=$STATE/controller
SlurmdSpoolDir=$STATE/node
AuthType=auth/munge
AuthInfo=socket=$STATE/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=3600
SchedulerParameters=batch_sched_delay=1,sched_interval=2
GresTypes=gpu
NodeName=$HOST NodeAddr=127.0.0.1 Gres=gpu:2 State=UNKNOWN RealMemory=100000 $TOPOLOGY
PartitionName=cpu Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=$HOST MaxTime=INFINITE State=UP
CONFIGURATION
printf 'NodeName=%s Name=gpu File=/dev/null\nNodeName=%s Name=gpu File=/dev/zero\n' "$HOST" "$HOST" > "$STATE/gres.conf"
# The plugin's job steps forget SLURM_CONF.
ln -s "$STATE/slurm.conf" "$STATE/gres.conf" /etc/slurm/
head -c 1024 /dev/urandom > "$STATE/munge.key"
chmod 400 "$STATE/munge.key"

munged --force --key-file="$STATE/munge.key" --socket="$STATE/munge.socket" --pid-file="$STATE/munged.pid" \
    --log-file="$STATE/munged.log" --seed-file="$STATE/munged.seed"
slurmctld -c
slurmd -N "$HOST" -c
for _ in $(seq 100); do
    [ "$(sinfo --noheader --partition=cpu --format=%T 2> /dev/null)" = idle ] && break
    sleep 0.2
done
if [ "$(sinfo --noheader --partition=cpu --format=%T)" != idle ]; then
    tail -n 20 "$STATE"/slurm*.log >&2
    echo "the one-node SLURM cluster doesn't come up" >&2
    exit 1
fi
"$PYTHON" tests/slurm/check.py "$STATE"
