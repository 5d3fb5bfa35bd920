"""What runs inside a lab's hosts: servers, clients, the agent. Of socketlab it imports the wire only."""
