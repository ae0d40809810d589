// Draws the cortex with WebGL, as the window's pictures are drawn, and finds what is under a point.

import { axesOf } from "./camera.js";

// The browser scales up what is larger.
const MOST_PIXELS = 2e6;
const HIDDEN = 400; // in the head's units of 0.01 mm

const VERTEX = `#version 300 es
in vec3 place, normal;
in float strength, depth, region;
uniform mat3 axes;
uniform vec3 shift, centre, scale, light;
uniform float pinned;
uniform bool isSigned;
out float value, sulcus, lit, inside;
void main() {
  value = isSigned ? strength : abs(strength);
  sulcus = (depth + 1.0) / 2.0;
  lit = clamp(dot(axes * normalize(normal), light), 0.0, 1.0);
  inside = region == pinned ? 1.0 : 0.0;
  gl_Position = vec4((axes * (place + shift) - centre) * scale, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in float value, sulcus, lit, inside;
uniform sampler2D table;
uniform vec2 greys, shades, threshold;
uniform bool isSigned, isGrey;
out vec4 colour;
void main() {
  float level = min(abs(value), 1.0);
  float at = isSigned ? (sign(value) * level + 1.0) / 2.0 : level;
  vec3 activity = texture(table, vec2(at, 0.5)).rgb * (1.0 - shades.y * (1.0 - lit));
  if (isGrey) activity = vec3(dot(activity, vec3(0.2126, 0.7152, 0.0722)));
  vec3 surface = vec3(mix(greys.x, greys.y, sulcus) * (1.0 - shades.x * (1.0 - lit)));
  vec3 mixed = mix(surface, activity, clamp((level - threshold.x) / threshold.y, 0.0, 1.0));
  float width = fwidth(inside);
  bool isEdge = width > 0.0 && abs(inside - 0.5) < 1.2 * width;
  colour = vec4(isEdge ? vec3(1.0) : mixed, 1.0);
}`;

export class Cortex {
  /** Throws where the browser has no WebGL 2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.map = null;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.build();
      if (this.head) this.setHead(this.head);
    });
    this.build();
  }

  build() {
    const gl = this.canvas.getContext("webgl2", { alpha: false, antialias: false });
    if (!gl) throw new Error("this browser has no WebGL 2, which the cortex is drawn with");
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the cortex cannot be drawn here: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.CULL_FACE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.gl = gl;
    this.program = program;
    this.uniforms = new Proxy({}, {
      get: (kept, name) => (kept[name] ??= gl.getUniformLocation(program, name)),
    });
    this.buffers = {};
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const [what, how] of [
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ]) gl.texParameteri(gl.TEXTURE_2D, what, how);
    this.table = null;
  }

  setHead(head) {
    const { gl } = this;
    this.head = head;
    this.attribute("depth", head.sulcalDepth, 1, gl.BYTE, true);
    this.attribute("region", head.regionOf, 1, gl.UNSIGNED_SHORT, false);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, (this.buffers.triangles ??= gl.createBuffer()));
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, head.triangles, gl.STATIC_DRAW);
    this.setMap(this.map?.length === head.nDipoles ? this.map : new Int8Array(head.nDipoles));
    this.surface = null;
  }

  setMap(map) {
    this.map = map;
    this.attribute("strength", map, 1, this.gl.BYTE, true);
  }

  attribute(name, values, size, type, isNormalised) {
    const { gl } = this;
    const at = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, (this.buffers[name] ??= gl.createBuffer()));
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, isNormalised, 0, 0);
  }

  /** Lay out a surface as cameras see it: one fills the canvas, four stand in two rows. */
  layOut(surfaceName, cameras, zoom, fineness) {
    const { canvas, head, gl } = this;
    if (this.surface !== head.surfaces[surfaceName]) {
      this.surface = head.surfaces[surfaceName];
      this.attribute("place", this.surface.places, 3, gl.SHORT, false);
      this.attribute("normal", this.surface.normals, 3, gl.BYTE, true);
    }
    const { clientWidth, clientHeight } = canvas;
    const area = Math.max(clientWidth * clientHeight, 1);
    this.density = Math.min(devicePixelRatio * fineness, Math.sqrt(MOST_PIXELS / area));
    const size = [clientWidth, clientHeight].map((n) => Math.max(1, Math.round(n * this.density)));
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const n = cameras.length === 1 ? 1 : 2;
    const [width, height] = [clientWidth / n, clientHeight / n];
    this.cells = cameras.map((camera, i) =>
      this.cell(camera, (i % n) * width, Math.floor(i / n) * height, width, height, zoom));
  }

  /** One view: its axes, and how the cortex is moved to fill its rectangle. */
  cell(camera, left, top, width, height, zoom) {
    const { places } = this.surface;
    const { nLeft, nDipoles, look } = this.head;
    const both = camera.hemispheres.length === 2;
    const ends = { left: [0, nLeft], right: [nLeft, nDipoles] };
    const shifts = { left: [0, 0, 0], right: [0, 0, 0] };
    if (both) {
      let [most, least] = [-Infinity, Infinity];
      for (let i = 0; i < nLeft; i++) most = Math.max(most, places[3 * i]);
      for (let i = nLeft; i < nDipoles; i++) least = Math.min(least, places[3 * i]);
      shifts.left[0] = -most - look.gap / 2; // the gap replaces the distance that they have
      shifts.right[0] = -least + look.gap / 2;
    }
    const axes = axesOf(camera);
    const seen = new Float32Array(3 * nDipoles);
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (const side of camera.hemispheres) {
      const x = shifts[side][0];
      for (let i = ends[side][0]; i < ends[side][1]; i++) {
        for (let k = 0; k < 3; k++) {
          const [a, b, c] = axes[k];
          const s = a * (places[3 * i] + x) + b * places[3 * i + 1] + c * places[3 * i + 2];
          seen[3 * i + k] = s;
          low[k] = Math.min(low[k], s);
          high[k] = Math.max(high[k], s);
        }
      }
    }
    const centre = low.map((s, k) => (s + high[k]) / 2);
    let extent = [high[0] - low[0], high[1] - low[1]];
    if (both) { // a turning head keeps its size
      let far = 0;
      for (let i = 0; i < nDipoles; i++) {
        far = Math.max(far, Math.hypot(...centre.map((s, k) => seen[3 * i + k] - s)));
      }
      extent = [2 * far, 2 * far];
    }
    const room = (1 - 2 * look.margin) * zoom;
    const scale = room * Math.min(width / extent[0], height / extent[1]);
    return { camera, left, top, width, height, axes, shifts, seen, centre, scale };
  }

  /** Draw all cells. */
  draw({ theme, isSigned, isGrey, threshold, pinned }) {
    const { gl, head, uniforms, canvas, density } = this;
    const { look } = head;
    const table = isSigned ? look.themes[theme].signed : look.activity;
    if (this.table !== table) {
      this.table = table;
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, table);
    }
    const { background, gyrus, sulcus } = look.themes[theme];
    gl.uniform2f(uniforms.greys, gyrus, sulcus);
    gl.uniform2f(uniforms.shades, look.shade, look.activity_shade);
    gl.uniform2f(uniforms.threshold, threshold, look.fade);
    gl.uniform3fv(uniforms.light, look.light);
    gl.uniform1f(uniforms.pinned, pinned ?? -1);
    gl.uniform1i(uniforms.isSigned, isSigned);
    gl.uniform1i(uniforms.isGrey, isGrey);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    for (const { camera, left, top, width, height, axes, shifts, centre, scale } of this.cells) {
      gl.viewport(...[left, canvas.clientHeight - top - height, width, height]
        .map((n) => Math.round(n * density)));
      gl.uniformMatrix3fv(uniforms.axes, true, axes.flat());
      gl.uniform3fv(uniforms.centre, centre);
      gl.uniform3f(uniforms.scale, (2 * scale) / width, (2 * scale) / height, -1e-5 * 2);
      for (const side of camera.hemispheres) {
        gl.uniform3fv(uniforms.shift, shifts[side]);
        const first = side === "left" ? 0 : 3 * head.nLeftTriangles;
        const end = side === "left" ? 3 * head.nLeftTriangles : head.triangles.length;
        gl.drawElements(gl.TRIANGLES, end - first, gl.UNSIGNED_SHORT, 2 * first);
      }
    }
  }

  /** The cell at a point of the canvas. */
  cellAt(x, y) {
    return this.cells?.find((c) =>
      x >= c.left && x < c.left + c.width && y >= c.top && y < c.top + c.height);
  }

  /** The dipole that is seen at a point, and how near to the viewer; null off the cortex. */
  seenAt(x, y) {
    const cell = this.cellAt(x, y);
    if (!cell) return null;
    const { seen, centre, scale, camera } = cell;
    const px = (x - cell.left - cell.width / 2) / scale + centre[0];
    const py = centre[1] - (y - cell.top - cell.height / 2) / scale;
    const { triangles, nLeft } = this.head;
    let found = null;
    for (let t = 0; t < triangles.length; t += 3) {
      const corners = [triangles[t], triangles[t + 1], triangles[t + 2]];
      if (!camera.hemispheres.includes(corners[0] < nLeft ? "left" : "right")) continue;
      const [a, b, c] = corners.map((i) => 3 * i);
      const [bx, by] = [seen[b] - seen[a], seen[b + 1] - seen[a + 1]];
      const [cx, cy] = [seen[c] - seen[a], seen[c + 1] - seen[a + 1]];
      const area = bx * cy - by * cx;
      if (area <= 0) continue; // turned away
      const [dx, dy] = [px - seen[a], py - seen[a + 1]];
      const [u, v] = [(dx * cy - dy * cx) / area, (bx * dy - by * dx) / area];
      const weights = [1 - u - v, u, v];
      if (Math.min(...weights) < 0) continue;
      const depth = weights[0] * seen[a + 2] + u * seen[b + 2] + v * seen[c + 2];
      if (found && found.depth >= depth) continue;
      found = { dipole: corners[weights.indexOf(Math.max(...weights))], depth };
    }
    return found;
  }

  /** Where on the canvas a dipole is visible, once per view. */
  placesOf(dipole) {
    const side = dipole < this.head.nLeft ? "left" : "right";
    const places = [];
    for (const { camera, left, top, width, height, seen, centre, scale } of this.cells ?? []) {
      if (!camera.hemispheres.includes(side)) continue;
      const x = left + width / 2 + (seen[3 * dipole] - centre[0]) * scale;
      const y = top + height / 2 - (seen[3 * dipole + 1] - centre[1]) * scale;
      const front = this.seenAt(x, y);
      if (front && Math.abs(front.depth - seen[3 * dipole + 2]) < HIDDEN) places.push({ x, y });
    }
    return places;
  }
}
