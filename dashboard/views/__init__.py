"""Views: what each page is made of, a folder a page; no view imports another."""
