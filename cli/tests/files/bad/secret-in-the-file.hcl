vault {
  address = "https://bao.example:8200"
  token   = "hvs.CAESIJ1qn8vXexampleexample"
}
auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/shop/role-id"
      secret_id_file_path = "6f0c3b4e-3f8a-4a56-9d0c-1f2e3d4c5b6a"
    }
  }
}
