package server

// On Windows, the permission bits of a file say only whether it may be written.
const permissionsMean = false
