vault {address = "a\"swordfish\"" retry {}}
