// A dictionary that all clients share, each served by a goroutine. The connections come from tinetd: descriptor 3 is a
// Unix SOCK_SEQPACKET socket, and each message on it is one JSON object about one connection, with the connection
// attached.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// What tinetd says of a connection, as far as it matters here.
type info struct {
	ID int64 `json:"id"`
}

func main() {
	log.SetFlags(0)
	// It comes together with the end of the channel, which tells the same and lets clients finish.
	signal.Ignore(syscall.SIGTERM)
	channel, err := openChannel()
	if err != nil {
		log.Fatal(err)
	}
	say(channel, `{"ready":true}`)
	var clients sync.WaitGroup
	for {
		connection, about, err := receive(channel)
		if err != nil {
			log.Printf("no more connections: %v", err)
			break
		}
		clients.Add(1)
		go func() {
			defer clients.Done()
			serve(connection)
			say(channel, fmt.Sprintf(`{"done":%d}`, about.ID))
		}()
	}
	clients.Wait()
}

func openChannel() (*net.UnixConn, error) {
	fd, err := strconv.Atoi(os.Getenv("TINETD_CHANNEL"))
	if err != nil {
		return nil, errors.New(`no channel: start this with tinetd, handoff = "pass"`)
	}
	file := os.NewFile(uintptr(fd), "channel")
	defer file.Close() // FileConn has a copy
	connection, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return connection.(*net.UnixConn), nil
}

// receive waits for the next connection. An error means that there will be none.
func receive(channel *net.UnixConn) (net.Conn, info, error) {
	var about info
	text := make([]byte, 4096)
	attached := make([]byte, syscall.CmsgSpace(4))
	length, attachedLength, _, _, err := channel.ReadMsgUnix(text, attached)
	if err != nil {
		return nil, about, err
	}
	if length == 0 {
		return nil, about, errors.New("tinetd has closed the channel")
	}
	messages, err := syscall.ParseSocketControlMessage(attached[:attachedLength])
	if err != nil || len(messages) != 1 {
		return nil, about, fmt.Errorf("a message without a connection: %v", err)
	}
	descriptors, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, about, err
	}
	file := os.NewFile(uintptr(descriptors[0]), "connection")
	defer file.Close() // FileConn has a copy
	if err := json.Unmarshal(text[:length], &about); err != nil {
		return nil, about, err
	}
	connection, err := net.FileConn(file)
	return connection, about, err
}

// say tells tinetd something. When the channel is closed nobody wants to know any more.
func say(channel *net.UnixConn, text string) {
	_, _ = channel.Write([]byte(text))
}

var (
	lock  sync.Mutex
	words = map[string]string{}
)

func serve(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	for lines.Scan() {
		fmt.Fprintln(connection, answer(strings.Fields(lines.Text())))
	}
}

func answer(command []string) string {
	lock.Lock()
	defer lock.Unlock()
	switch {
	case len(command) == 3 && command[0] == "set":
		words[command[1]] = command[2]
		return "done"
	case len(command) == 2 && command[0] == "get":
		if meaning, known := words[command[1]]; known {
			return meaning
		}
		return "unknown"
	default:
		return "set WORD MEANING or get WORD, please"
	}
}
