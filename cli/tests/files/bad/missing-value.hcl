vault {
  address =
}
