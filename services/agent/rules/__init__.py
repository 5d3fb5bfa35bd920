"""From a fault to the kernel's rules. Pure: a fault goes in, messages for the kernel come out."""
