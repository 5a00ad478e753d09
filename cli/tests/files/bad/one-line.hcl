vault {address = "https://bao.example:8200" retry { num_retries = 3 }}
