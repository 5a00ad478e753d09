rotation "keys" {
  provider = "aws-iam"
  user     = "svc-payments"
  life     = "1h"
}
rotation "others" {
  provider = "aws-iam"
  user     = "svc/payments"
  sink "file" { config = { path = "/run/keys" } }
}
