"""What stands between a client and the endpoints: the limits of a connection, foreign requests, headers of answers."""
