// The connection to the server: opens it again by itself, and knows how long nothing has come.

const AGAIN_MS = 1000;
// Without a word for so long, a connection is given up: a cable that was pulled closes nothing.
const SILENCE_MS = 5000;

export class Link {
  /** opened() is called for each connection; heard(message) gets an object, or an ArrayBuffer. */
  constructor(opened, heard) {
    this.opened = opened;
    this.heard = heard;
    this.heardMs = performance.now();
    this.reason = "";
    this.open();
  }

  open() {
    const url = new URL("live", location.href.replace(/^http/, "ws"));
    url.hash = "";
    url.search = location.hash.slice(1); // the token
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.opened();
    socket.onmessage = ({ data }) => {
      this.heardMs = performance.now();
      this.reason = "";
      this.heard(typeof data === "string" ? JSON.parse(data) : data);
    };
    socket.onclose = ({ reason }) => {
      if (socket !== this.socket) return;
      if (reason) this.reason = reason;
      this.socket = null;
      setTimeout(() => this.open(), AGAIN_MS);
    };
    this.socket = socket;
    this.openedMs = performance.now();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Milliseconds since anything came; gives a dead connection up. */
  silenceMs(nowMs) {
    if (this.socket && nowMs - Math.max(this.heardMs, this.openedMs) > SILENCE_MS) {
      const dead = this.socket;
      this.socket = null;
      dead.close();
      this.open();
    }
    return nowMs - this.heardMs;
  }

  say(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }
}
