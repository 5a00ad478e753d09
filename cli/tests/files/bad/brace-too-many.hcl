vault { address = "https://bao.example:8200" } }
