vault { address = "https://bao.example:8200" }
seal "shamir" {}
