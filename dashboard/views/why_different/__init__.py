"""The Why different? page: two pictures, what differs between them, what each difference costs."""
