"""How Django's admin shows times: to the second, and so that they sort as they read. All of them are UTC."""

DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "Y-m-d H:i:s"
