oneadmin:
  uid: 9869
  gid: 9869
