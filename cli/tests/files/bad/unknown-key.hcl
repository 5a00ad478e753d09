vault {
  adress = "https://bao.example:8200"
}
