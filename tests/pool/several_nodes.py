"""A Ray cluster of several nodes on this machine, in a process of its own, which kills what it is told to.

    python -m reperform.tests.pool.several_nodes PORT RESOURCE...

Nodes with one processor and one of the resources each. The first is the head, whose client server has the port. It says
`ready`; each line on its stdin is the id of a node to be killed, or `head`, and it answers `gone`. It ends with its
stdin, and its nodes with it.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

STORE = 100 * 2**20  # bytes of a node's object store


def main() -> None:
    """Start, and obey."""
    port, first, *others = sys.argv[1:]
    cluster = Cluster(shutdown_at_exit=True)
    head = cluster.add_node(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=STORE,
        ray_client_server_port=int(port),
        resources={first: 1},
    )
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=STORE, resources={name: 1}) for name in others]
    print("ready", flush=True)
    for line in sys.stdin:
        (victim,) = [head] if line.strip() == "head" else [node for node in nodes if node.node_id == line.strip()]
        cluster.remove_node(victim, allow_graceful=False)
        print("gone", flush=True)
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
