"""The agent: the program in a host's network namespace that holds NET_ADMIN and makes faults.

Theory of operation
    `python3 -m services.agent` is two processes. The nanny (`nanny`) starts the agent proper (`program`) as
    its child, and when that ends by any cause undoes what outlives a process. The agent proper is one thread
    around a selector; it takes requests on a Unix socket (`clients`, `requests`), keeps the faults in force
    (`faults`) and has two ways into the kernel: nft rules that vanish with its netlink socket (`filters`,
    compiled by `rules`), and routes that do not and are therefore journalled first (`routes`, `journal`).
    `command` is `socketlab-fault`, the program that talks to it; `grammar` has the words of both.
"""
