"""How good a translator is: scores with their intervals and protocols, and a report to look at."""
