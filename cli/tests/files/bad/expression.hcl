vault {
  address = var.address
}
