"""The rim of net: asyncio and sockets, nowhere else."""
