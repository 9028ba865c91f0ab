// A small web application that tells whether it reaches its database.
//
//	GET /health   answers "ok" while the program serves
//	GET /         tells of the database (DB_HOST, DB_PORT) and shows ./config/app.conf
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	address    = ":8080"
	configFile = "config/app.conf"
)

// database tries to open a connection to the database and says how that went.
func database() string {
	host := os.Getenv("DB_HOST")
	if host == "" {
		return "not configured (DB_HOST is not set)"
	}
	port := os.Getenv("DB_PORT")
	if port == "" {
		port = "5432"
	}
	target := net.JoinHostPort(host, port)
	conn, err := net.DialTimeout("tcp", target, 2*time.Second)
	if err != nil {
		return fmt.Sprintf("%s not reached: %v", target, err)
	}
	conn.Close()
	return fmt.Sprintf("%s reached", target)
}

// config returns the text of the configuration file that was given to the program.
func config() string {
	text, err := os.ReadFile(configFile)
	if errors.Is(err, os.ErrNotExist) {
		return "none\n"
	}
	if err != nil {
		return fmt.Sprintf("not readable: %v\n", err)
	}
	return string(text)
}

func home(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	host, _ := os.Hostname()
	fmt.Fprintf(w, "host: %s\n", host)
	fmt.Fprintf(w, "database: %s\n", database())
	fmt.Fprintf(w, "config:\n%s", config())
}

func health(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "ok")
}

func main() {
	http.HandleFunc("/", home)
	http.HandleFunc("/health", health)
	log.Printf("listening on %s", address)
	log.Fatal(http.ListenAndServe(address, nil))
}
