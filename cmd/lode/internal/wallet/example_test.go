package wallet_test

import (
	"fmt"
	"os"
	"path/filepath"

	"lode/cmd/lode/internal/wallet"
)

func Example() {
	dir, err := os.MkdirTemp("", "wallets")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	folder := wallet.Folder(filepath.Join(dir, "wallets"))
	w, err := folder.Create("main", "") // give a passphrase
	fmt.Println(w.Name, w.Encrypted, err)
	_, err = w.Unlock("")
	fmt.Println(err)
	_, err = folder.Create("main", "")
	fmt.Println(err != nil)
	// Output:
	// main false <nil>
	// <nil>
	// true
}
