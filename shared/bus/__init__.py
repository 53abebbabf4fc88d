"""RabbitMQ: its topology, how the relay and the trainers publish, and the one loop that every consumer runs."""
