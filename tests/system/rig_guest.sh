#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What tests/system/test_rig.py does in the emulated server, in one boot. It judges nothing: each step
# leaves what it printed in files of the current folder, which the test reads afterwards.
set -u

near=0000:09:00.0 # on node 0, where EAL's first lcore is
far=0000:11:00.0  # on node 1

# step NAME COMMAND…: leaves NAME.out, NAME.err and NAME.status.
step() {
	local name=$1
	shift
	timeout -k 5 120 "$@" >"$name.out" 2>"$name.err" </dev/null
	echo $? >"$name.status"
}

# wait_for SECONDS COMMAND…: until it is true.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

machine() {
	local device
	ls -d /sys/devices/system/node/node*
	for device in $near $far; do
		echo "$device $(cat "/sys/bus/pci/devices/$device/numa_node")" \
			"$(basename "$(readlink "/sys/bus/pci/devices/$device/driver")")"
	done
}

plans() {
	step plan_choose ./lodemill -a $far -- plan rig.yaml --json
	step plan_far ./lodemill -l 0-3 -- plan rig.yaml --json --set port=1
	step plan_near ./lodemill -l 0-3 -- plan rig.yaml --json --set port=0
	step plan_name ./lodemill -l 0-3 -- plan rig.yaml --json --set port=$far
	step plan_allowed ./lodemill -l 0-3 -a $far -- plan rig.yaml --json --set port=0
	step plan_pinned ./lodemill -l 0-3 -- plan pinned.yaml --json --set port=1
	step plan_away ./lodemill -l 0,1 -- plan rig.yaml --json --set port=1
}

# start NAME ARGUMENT…: an engine in the background, until its ports are open.
start() {
	local name=$1
	shift
	./lodemill --file-prefix="$name" "$@" --duration 400s --json >"$name.out" 2>"$name.err" \
		</dev/null &
	engine=$!
	wait_for 120 started "$name" || echo "$name did not start" >&2
}

started() {
	[ -e "/dev/shm/lodemill-$1" ] || ! kill -0 $engine 2>/dev/null
}

# finish NAME: it ends as with Ctrl-C, after its memory was looked at.
finish() {
	cat /proc/$engine/numa_maps >"$1.maps"
	kill -INT $engine
	wait $engine
	echo $? >"$1.status"
}

received() { # NAME COUNT
	timeout 20 ./lodemill top --prefix "$1" --once --json --interval 200ms >"$1.top" 2>"$1.top.err" &&
		grep -q "\"port0.ipackets\":{\"total\":$2," "$1.top"
}

sender_says() { # COMMAND PATTERN
	echo "$1" >&3
	sleep 0.3
	grep -q "$2" sender.out
}

# EAL loads all drivers that there are, which here takes longer than all the rest of a start: from now on
# it finds only those that are needed.
few_drivers() {
	local folder name
	folder=$(echo /usr/lib/*/dpdk/pmds-*)
	mkdir /tmp/drivers
	for name in bus_pci bus_vdev mempool_ring net_e1000 net_null net_pcap; do
		cp -a "$folder/librte_$name.so"* /tmp/drivers/
	done
	mount --bind /tmp/drivers "$folder"
}

# The capture, out of the near NIC by DPDK's own forwarder, in at the far one by the engine.
traffic() {
	mkfifo /tmp/sender
	stdbuf -oL timeout -k 5 400 dpdk-testpmd -l 0,1 --in-memory -m 64 --no-telemetry -a $near \
		--vdev=net_pcap0,rx_pcap=sample.pcap -- -i --no-flush-rx --total-num-mbufs=4096 \
		</tmp/sender >sender.out 2>&1 &
	sender=$!
	exec 3>/tmp/sender
	wait_for 120 sender_says "show port summary 0" "net_e1000_em  *up"
	few_drivers # testpmd is linked to more of them
	start traffic -a $far -l 0-3 -- run rig.yaml --set out=flows.csv
	echo start >&3
	wait_for 120 received traffic "$packets"
	finish traffic
	# The near NIC is the sender's: to a second engine, which looks at both, the far one is port 0.
	step shifted ./lodemill -l 0-3 -- run rig.yaml --json --set port=0 --duration 1s
	echo "show port stats 0" >&3
	echo stop >&3
	echo quit >&3
	exec 3>&-
	wait $sender
}

# Memory where slices are, though not where the port is.
memory() {
	start pinned -a $far -l 0-3 -- run pinned_all.yaml --set lcore=0
	finish pinned
	start plain --no-huge -m 128 --no-pci -l 2,3 --vdev=net_null0,no-rx=1 -- run rig.yaml
	finish plain
	echo 8 >/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages
	start short -a $far -l 2,3 -- run rig.yaml
	finish short
}

mark() {
	echo "$(cut -d' ' -f1 /proc/uptime) s since boot: $1"
}

# State behind its slices: there, and one of the two back.
follow_one() { # NAME EAL…
	local name=$1
	shift
	start "$name" "$@" -l 0-3 -- run far.yaml --set out="$name.csv" --control "/tmp/$name.sock"
	python3 rig_follow.py "$name" $engine state
	finish "$name"
}

follow() {
	follow_one follow --no-huge -m 128 --no-pci
	follow_one follow_huge --no-pci
	# All of EAL's memory is the NIC's, too: it stays.
	start follow_held -a $far -l 0-3 -- run far.yaml --control /tmp/follow_held.sock
	python3 rig_follow.py follow_held $engine held
	finish follow_held
}

packets=$1
mark "machine, doctor"
machine >machine.out
step doctor ./lodemill doctor --json --cores 0-3 --jitter 0
mark plans
plans
mark traffic
traffic
mark "pages that follow"
follow
mark memory
memory
mark end
