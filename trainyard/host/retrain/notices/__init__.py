"""Who is told when a job starts and ends: services of Apprise, webhooks, the callback of a request."""
