// Command pack makes the zip of a module that proxies serve, and unpacks it.
//
//	pack PATH DIRECTORY ZIP UNPACKED
//
// PATH is the module's, DIRECTORY where its go.mod is, UNPACKED a directory that is not there yet.
package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: pack PATH DIRECTORY ZIP UNPACKED")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pack(path, directory, zipped, unpacked string) error {
	version := module.Version{Path: path, Version: "v0.0.0"}
	file, err := os.Create(zipped)
	if err != nil {
		return err
	}
	if err := zip.CreateFromDir(file, version, directory); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return zip.Unzip(unpacked, version, zipped)
}
