vault {
  address = <<ADDRESS
https://bao.example:8200
ADDRESS
}
