"""The marks that the agent gives packets. A mark is the host's own: it is not on the wire."""

INJECTED = 0x51
"""What the agent itself sends by a raw socket: no fault touches it again."""
EMULATED = 0x5102_0000
"""With a number below 65536: what the emulator has marked with its verdict, to be rejected behind it."""
REFUSED = 0x5101_0000
"""With a number below 65536: what a rule of nft has chosen, and a rule of iptables is to reject."""
SILENCED = 0x5100_0001
"""What a rule of nft has chosen, and a rule of iptables is to let vanish."""
STEERED = 0x5100_0002
"""What a rule of nft has chosen, and a rule of iptables is to hand to the emulator."""
KIND = 0xFFFF_0000
"""The bits that tell the marks of one kind from others."""
