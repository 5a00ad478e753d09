vault { address = "https://bao.example:8200" }
/* and so on
