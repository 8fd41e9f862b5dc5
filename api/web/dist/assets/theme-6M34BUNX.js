"use strict";(()=>{try{let e=localStorage.getItem("headwater.theme");(e==="dark"||e==="light")&&(document.documentElement.dataset.theme=e)}catch{}})();
