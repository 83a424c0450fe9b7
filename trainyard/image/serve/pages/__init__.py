"""What people look at: the front page, the OpenAPI document, and the page that shows it."""
