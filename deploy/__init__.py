"""How the system is put together and run: on one machine (deploy.local) and in containers."""
