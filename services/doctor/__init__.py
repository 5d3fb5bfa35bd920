"""What this machine's kernel can do for a lab, each thing tried in namespaces that are gone afterwards.

Theory of operation
    `python3 -m services.doctor` makes children. One enters a scratch user and network namespace, and tries
    there, one after another, what hosts and faults are made of: `scratch` enters, `links` and `filters` try.
    Another, where we are root, tries the same entrance as an ordinary user. Each thing tried is a JSON line
    on standard output, at once:

        {"probe": "owner", "works": true}
        {"probe": "netem", "works": false, "errno": "ENOENT", "seen": "Specified qdisc kind is unknown."}

    What it means for a user is not said here: `socketlab.doctor` judges. The namespaces live as long as the
    processes in them, so nothing is left, however this ends.
"""
