"""The HTTP interface as one table; the web application and the API description are both made from it."""
